"""A script that does next to nothing: what a rerun of it takes is Streamlit and the way there."""

import streamlit as st

st.write(st.slider("Number", 0, 100, 1))
