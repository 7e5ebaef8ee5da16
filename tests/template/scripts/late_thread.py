"""A module that starts a thread once the second seat was forked. The first is the self-test's."""

import os
import threading
import time

forks = []


def after_fork():
    forks.append(1)
    if len(forks) == 2:
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()


os.register_at_fork(after_in_parent=after_fork)
