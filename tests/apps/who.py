"""The smallest Streamlit page that tells whose it is: for tests that start many seats, or start them often."""

import os

import streamlit as st


def bump() -> None:
    st.session_state.count = st.session_state.get("count", 0) + 1


st.button("Count", key="bump", on_click=bump)
st.text(f"user={os.environ.get('USHER_USER')}")
st.text(f"pid={os.getpid()}")
st.text(f"count={st.session_state.get('count', 0)}")
