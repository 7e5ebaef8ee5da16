#!/bin/bash
# Runs a command in a kernel of its own (User Mode Linux, package user-mode-linux), alone in a cgroup
# of version 2 that has the cpu and memory controllers: for the tests of limits where the machine's
# own hierarchy is not to be touched, or gives no controllers.
#
#   scripts/in_own_cgroup.sh own target/debug/deps/launch-… limits --test-threads=1 --nocapture
#   scripts/in_own_cgroup.sh door target/debug/deps/e2e-… limits --test-threads=1 --nocapture
#
# `own`: the command is alone in its cgroup and may divide it; `door`: it is in the leaf that systemd
# would have made. It sees this machine's files; /tmp is its own. LINUX names another kernel than
# `linux.uml`.
set -eu

if [ "${IN_OWN_CGROUP:-}" != yes ]; then
    kernel=$(command -v "${LINUX:-linux.uml}") || { echo "skipped: there is no ${LINUX:-linux.uml} (package user-mode-linux)"; exit 0; }
    told=$(mktemp -d)
    trap 'rm -rf "$told"' EXIT
    {
        echo "export IN_OWN_CGROUP=yes PATH='$PATH' HOME=/tmp"
        env | grep -E '^(USHER|RUST)_[A-Z0-9_]*=' | sed "s/=\(.*\)/='\1'/; s/^/export /" || true
        echo "told='$told'; cd '$PWD'"
        printf 'set --'; printf ' %q' "$@"; echo
        echo ". '$(realpath "$0")'"
    } > "$told/begin"
    printf '#!/bin/bash\n. %q\n' "$told/begin" > "$told/init"
    chmod +x "$told/init"
    HOME=$told "$kernel" mem=2G root=/dev/root rootfstype=hostfs rootflags=/ rw quiet \
        init="$told/init" con=null con0=null,fd:1 < /dev/null 2> "$told/errors" || true
    cat "$told/output" || cat "$told/errors"
    exit "$(cat "$told/code" || echo 1)"
fi

# From here on: the first process of that kernel.
trap 'mount -t proc proc /proc 2>/dev/null; echo o > /proc/sysrq-trigger; sleep 60' EXIT
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
# What is told to the outside has to stay reachable when /tmp is hidden.
mkdir /run/told && mount --bind "$told" /run/told
mount -t tmpfs tmpfs /tmp
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
echo "+cpu +memory" > /sys/fs/cgroup/cgroup.subtree_control
case $1 in
    own) place=/sys/fs/cgroup/usher ;;
    *) place=/sys/fs/cgroup/usher/door ;;
esac
shift
mkdir -p "$place"
ip link set lo up
set +e
(echo "$BASHPID" > "$place/cgroup.procs"; exec "$@") > /run/told/output 2>&1
echo $? > /run/told/code
sync
