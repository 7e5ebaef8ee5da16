"""Threads, processes and native pools at work."""

import json
import multiprocessing
import os
import subprocess
import sys
import threading

import numpy
import streamlit as st


def by_process(method):
    process = multiprocessing.get_context(method).Process(target=os.getcwd)
    process.start()
    process.join()
    return process.exitcode


def by_subprocess():
    command = [sys.executable, "-c", "print(6 * 7)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def by_thread():
    heard = []
    thread = threading.Thread(target=heard.append, args=(1,))
    thread.start()
    thread.join()
    return heard


def by_blas():
    a = numpy.arange(250_000, dtype=float).reshape(500, 500)
    return bool(numpy.isclose((a @ a)[0, 0], (a[0] * a[:, 0]).sum()))


if __name__ == "__main__":  # a worker imports the script
    done = {
        "spawn": by_process("spawn"),
        "fork": by_process("fork"),
        "subprocess": by_subprocess(),
        "thread": by_thread(),
        "blas": by_blas(),
    }
    st.markdown(json.dumps(done))
