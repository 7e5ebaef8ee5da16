"""A Streamlit page for the tests of 1.39 and 1.67: what it knows is written as `name=value`, one to a line, so that tests can read it."""

import hashlib
import json
import os

import streamlit as st

st.set_page_config(page_title="Usher test page")
st.title("Usher test page")


def bump() -> None:
    st.session_state.count = st.session_state.get("count", 0) + 1


st.button("Count", key="bump", on_click=bump)
days = st.slider("Days", 10, 1000, 200, key="days")
file = st.file_uploader("File", key="file")
note = st.text_input("Note", key="note")
download = b"".join(b"%015d\n" % line for line in range(200_000))
st.download_button("Download", download, file_name="매출.bin", mime="application/octet-stream", key="download")


def show(name: str, value: object) -> None:
    st.text(f"{name}={value}")


show("pid", os.getpid())
show("user", os.environ.get("USHER_USER"))
show("count", st.session_state.get("count", 0))
show("days", days)
show("note", note)
show("download", hashlib.sha256(download).hexdigest())
if file is not None:
    show("uploaded", len(file.getvalue()))
    show("upload", hashlib.sha256(file.getvalue()).hexdigest())
show("streamlit", st.__version__)
show("headers", json.dumps(dict(st.context.headers)))
show("cookies", json.dumps(dict(st.context.cookies)))
if hasattr(st, "user"):
    show("person", json.dumps({key: value for key, value in dict(st.user).items() if isinstance(value, str)}))
