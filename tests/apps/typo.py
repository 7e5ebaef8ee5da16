import streamlit as st

st.title("Never shown"
