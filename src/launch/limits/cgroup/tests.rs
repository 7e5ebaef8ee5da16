//! The decision and the bookkeeping, on folders that look like a hierarchy. That the kernel does
//! its part, `tests/launch/limits.rs` sees where there is one.

use super::*;

/// A folder with the files that the kernel would have made in a cgroup.
fn cgroup(folder: &Path, files: &[(&str, &str)]) {
    fs::create_dir_all(folder).unwrap();
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
}

fn own(folder: &Path, procs: &str, controllers: &str) {
    cgroup(
        folder,
        &[
            ("cgroup.procs", procs),
            ("cgroup.controllers", controllers),
            ("cgroup.subtree_control", ""),
            ("cgroup.type", "domain\n"),
        ],
    );
}

fn seat(folder: &Path) {
    cgroup(
        folder,
        &[
            ("cgroup.procs", ""),
            ("cpu.max", ""),
            ("cpu.stat", "usage_usec 9\nnr_periods 4\nnr_throttled 3\nthrottled_usec 77\n"),
            ("memory.max", ""),
            ("memory.oom.group", ""),
            ("memory.events", "low 0\nhigh 0\nmax 9\noom 1\noom_kill 0\n"),
        ],
    );
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

fn ground(folder: &Path) -> Ground {
    Ground { folder: folder.to_owned(), pid: 42, by_systemd: false }
}

const MOUNTS: &str = "\
22 28 0:21 / /proc rw,nosuid shared:12 - proc proc rw
35 28 0:30 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory
36 28 0:32 / /sys/fs/cg\\040roup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate
";

#[test]
fn usher_s_cgroup_is_where_the_hierarchy_is_mounted() {
    let cgroup = "4:memory:/elsewhere\n0::/system.slice/usher.service\n";
    assert_eq!(
        folder(MOUNTS, cgroup),
        Ok(PathBuf::from("/sys/fs/cg roup/system.slice/usher.service"))
    );
    assert_eq!(folder(MOUNTS, "0::/\n"), Ok(PathBuf::from("/sys/fs/cg roup")));
    // A container that sees the machine's paths, with a part of the hierarchy mounted.
    let part = MOUNTS.replace("0:32 / ", "0:32 /docker/7 ");
    assert_eq!(folder(&part, "0::/docker/7/a\n"), Ok(PathBuf::from("/sys/fs/cg roup/a")));
    assert!(folder(&part, "0::/other\n").unwrap_err().contains("/other"));
    assert_eq!(folder("", cgroup), Err("no cgroup2 is mounted".to_owned()));
    assert!(folder(MOUNTS, "4:memory:/\n").is_err());
}

#[test]
fn usher_divides_only_what_is_its_own() {
    let root = tempfile::tempdir().unwrap();
    let alone = root.path().join("alone");
    own(&alone, "42\n", "cpuset cpu io memory pids\n");
    assert_eq!(ground(&alone).may_divide(), Ok(()));
    let in_unit = Ground { by_systemd: true, ..ground(&alone) };
    assert!(in_unit.may_divide().unwrap_err().contains("DelegateSubgroup=door"));

    let delegated = root.path().join("usher.service");
    own(&delegated, "", "cpu memory\n");
    own(&delegated.join("door"), "42\n43\n", "cpu memory\n");
    let in_unit = Ground { by_systemd: true, ..ground(&delegated.join("door")) };
    assert_eq!(in_unit.may_divide(), Ok(()), "what else is in the leaf does not matter");

    let session = root.path().join("session-1.scope");
    own(&session, "17\n42\n", "cpu memory\n");
    assert!(ground(&session).may_divide().unwrap_err().contains("not alone"));
    let hybrid = root.path().join("unified");
    own(&hybrid, "42\n", "hugetlb\n");
    assert!(
        ground(&hybrid).may_divide().unwrap_err().ends_with("no controller for cpu and memory")
    );
    let machine = root.path().join("machine");
    own(&machine, "42\n", "cpu memory\n");
    fs::remove_file(machine.join("cgroup.type")).unwrap();
    assert!(ground(&machine).may_divide().unwrap_err().contains("machine's own"));
    assert!(ground(&root.path().join("nothing")).may_divide().is_err());
}

#[test]
fn usher_moves_into_a_leaf_and_has_the_controllers_given_to_seats() {
    let root = tempfile::tempdir().unwrap();
    own(root.path(), "42\n", "cpu memory\n");
    cgroup(&root.path().join("door"), &[("cgroup.procs", "")]);
    Tree::prepare(&ground(root.path())).unwrap();
    assert_eq!(read(&root.path().join("door"), "cgroup.procs"), "42");
    assert_eq!(read(root.path(), "cgroup.subtree_control"), "+cpu +memory");

    // The next usher is started in the leaf and finds all as it should be.
    cgroup(root.path(), &[("cgroup.subtree_control", "cpu memory\n")]);
    Tree::prepare(&ground(&root.path().join("door"))).unwrap();
    assert_eq!(read(root.path(), "cgroup.subtree_control"), "cpu memory\n");
}

#[test]
fn a_seat_has_its_limits_and_its_processes() {
    let root = tempfile::tempdir().unwrap();
    let tree = Tree::at(root.path());
    let nothing = Allowance::default();
    assert!(!tree.keep("seat-a", nothing, &BTreeSet::from([7])));
    assert!(!root.path().join("seat-a").exists(), "without a limit there is no cgroup");

    let folder = root.path().join("seat-a");
    seat(&folder);
    let half = Allowance { cpu_max_millicores: Some(500), memory_max_bytes: Some(1 << 30) };
    assert!(!tree.keep("seat-a", half, &BTreeSet::from([7])), "what was before does not count");
    fs::write(folder.join("cpu.stat"), "nr_throttled 4\n").unwrap();
    assert!(tree.keep("seat-a", half, &BTreeSet::from([7])), "slowed down");
    assert!(!tree.keep("seat-a", half, &BTreeSet::from([7])), "not since");
    assert_eq!(read(&folder, "cpu.max"), "50000 100000");
    assert_eq!(read(&folder, "memory.max"), "1073741824");
    assert_eq!(read(&folder, "memory.oom.group"), "1");
    assert_eq!(read(&folder, "cgroup.procs"), "7");

    fs::write(folder.join("cpu.max"), "").unwrap();
    tree.keep("seat-a", half, &BTreeSet::from([7]));
    assert_eq!(read(&folder, "cpu.max"), "", "what the kernel knows is not told again");
    fs::write(folder.join("memory.max"), "").unwrap();
    tree.keep("seat-a", nothing, &BTreeSet::from([7]));
    assert_eq!(read(&folder, "cpu.max"), "max 100000", "a limit that was taken away");
    assert_eq!(read(&folder, "memory.max"), "max");

    tree.let_go("seat-a");
    fs::write(folder.join("memory.max"), "").unwrap();
    tree.keep("seat-a", half, &BTreeSet::from([7]));
    assert_eq!(read(&folder, "memory.max"), "", "who is to end is not held again");
}

#[test]
fn the_kernel_s_word_tells_an_end_for_memory() {
    let root = tempfile::tempdir().unwrap();
    let tree = Tree::at(root.path());
    let folder = root.path().join("seat-a");
    seat(&folder);
    fs::write(folder.join("memory.max"), "1048576\n").unwrap();
    assert_eq!(tree.killed_for_memory("seat-a"), None);
    fs::write(folder.join("memory.events"), "oom 1\noom_kill 2\noom_group_kill 1\n").unwrap();
    assert_eq!(tree.killed_for_memory("seat-a"), Some(1 << 20));
    assert_eq!(tree.killed_for_memory("seat-b"), None);
}

#[test]
fn what_earlier_ushers_left_is_removed() {
    let root = tempfile::tempdir().unwrap();
    let tree = Tree::at(root.path());
    for name in ["seat-a", "seat-b", "door", "another"] {
        fs::create_dir(root.path().join(name)).unwrap();
    }
    tree.remove_others(&BTreeSet::from(["seat-b".to_owned()]));
    let left = ["seat-a", "seat-b", "door", "another"].map(|name| root.path().join(name).exists());
    assert_eq!(left, [false, true, true, true]);

    // One that is still inhabited goes as soon as it is not.
    fs::write(root.path().join("seat-b/process"), "").unwrap();
    tree.remove("seat-b");
    assert!(root.path().join("seat-b").exists());
    fs::remove_file(root.path().join("seat-b/process")).unwrap();
    tree.remove("seat-c");
    assert!(!root.path().join("seat-b").exists() && tree.left.lock().is_empty());
}
