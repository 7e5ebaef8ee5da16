"""A small Streamlit page that tells whose it is, for tests that start many seats, or start them often; and that computes on request."""

import os
import time

import streamlit as st


def bump() -> None:
    st.session_state.count = st.session_state.get("count", 0) + 1


def show(name: str, value: object) -> None:
    st.text(f"{name}={value}")


st.button("Count", key="bump", on_click=bump)
note = st.text_input("Note", key="note")
show("user", os.environ.get("USHER_USER"))
show("pid", os.getpid())
show("count", st.session_state.get("count", 0))
show("note", note)
if st.button("Compute", key="compute"):
    until = time.monotonic() + 15
    while time.monotonic() < until:
        sum(range(10_000))  # nothing is shown meanwhile: only the processor tells that somebody's work is under way
    show("computed", "yes")
