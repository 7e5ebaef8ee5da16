"""A Streamlit page beside work that never ends: two processes that want a core each."""

import subprocess
import sys

import streamlit as st


@st.cache_resource
def work() -> list[subprocess.Popen[bytes]]:
    return [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]


def bump() -> None:
    st.session_state.count = st.session_state.get("count", 0) + 1


st.button("Count", key="bump", on_click=bump)
st.text(f"count={st.session_state.get('count', 0)}")
st.text(f"workers={len(work())}")
