"""The app that is measured: what a small team shows, with pandas and Altair."""

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

st.set_page_config(page_title="Sales", layout="wide")
st.title("Sales dashboard")


@st.cache_data
def load(days: int) -> pd.DataFrame:
    random = np.random.default_rng(42)
    return pd.DataFrame({
        "date": pd.date_range("2024-01-01", periods=days, freq="D"),
        "sales": random.normal(100, 15, days).cumsum(),
        "costs": random.normal(80, 10, days).cumsum(),
        "region": random.choice(["Seoul", "Busan", "Daegu"], days),
    })


if st.button("Count"):
    st.session_state.count = st.session_state.get("count", 0) + 1
days = st.slider("Days", 10, 1000, 200)
sales = load(days)
st.dataframe(sales)
st.line_chart(sales, x="date", y=["sales", "costs"])
st.altair_chart(alt.Chart(sales).mark_bar().encode(x="region:N", y="sum(sales):Q", color="region:N"))
st.download_button("Download", sales.to_csv(index=False), file_name="매출.csv", mime="text/csv")
