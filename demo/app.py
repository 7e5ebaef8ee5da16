"""5G Feature Manager: the demo app behind `make run`.

An ordinary Streamlit script that knows nothing of Usher but the environment variables it is given
(USHER_USER, USHER_ROLE, USHER_DATA). It runs as well by `streamlit run demo/app.py`.
All figures are made up; the same seed gives everybody the same figures.
"""

import datetime as dt
import io
import json
import os
from pathlib import Path

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

KOREAN, ENGLISH = "한국어", "English"
TEXTS = {
    "subtitle": ("5G 기능의 적용 현황과 품질을 한눈에 봅니다.", "Rollout and quality of 5G features at a glance."),
    "made_up": ("예시 데이터", "Sample data"),
    "language": ("언어", "Language"),
    "seat": ("내 자리", "My seat"),
    "user": ("사용자", "User"),
    "role": ("권한", "Role"),
    "admin": ("관리자", "Administrator"),
    "member": ("일반 사용자", "User"),
    "nobody": ("직접 실행", "Run directly"),
    "process": ("프로세스 번호", "Process"),
    "own": ("이 프로세스는 나만 씁니다. 다른 사람의 앱이 멈추거나 종료되어도 내 앱은 그대로 동작합니다.",
            "This process is yours alone. If somebody else's app hangs or crashes, yours goes on."),
    "note": ("메모", "Note"),
    "note_kept": ("내 폴더에 저장되어 앱이 다시 시작되어도 남아 있습니다.",
                  "Kept in your own folder: it outlives a restart of the app."),
    "note_lost": ("Usher 없이 실행 중이라 저장되지 않습니다.", "Not kept: the app runs without Usher."),
    "period": ("조회 기간(일)", "Period (days)"),
    "states": ("상태", "Status"),
    "live": ("운영", "Live"),
    "trial": ("시험", "Trial"),
    "planned": ("계획", "Planned"),
    "m_live": ("운영 중인 기능", "Features live"),
    "m_rollout": ("평균 적용률", "Mean rollout"),
    "m_speed": ("다운로드 속도(Mbps)", "Downlink (Mbps)"),
    "m_latency": ("지연 시간(ms)", "Latency (ms)"),
    "against": ("첫날 대비", "since day one"),
    "speed": ("대역별 다운로드 속도", "Downlink by band"),
    "date": ("날짜", "Date"),
    "mbps": ("속도(Mbps)", "Mbps"),
    "band": ("대역", "Band"),
    "features": ("기능 목록", "Features"),
    "rollout": ("적용률", "Rollout"),
    "feature": ("기능", "Feature"),
    "release": ("규격", "Release"),
    "none": ("선택한 상태에 해당하는 기능이 없습니다.", "No feature has the chosen status."),
    "import": ("적용률 올리기", "Upload rollout"),
    "import_help": ("`id`와 `rollout`(0–100) 열이 있는 CSV 파일입니다. UTF-8과 CP949(엑셀)를 모두 읽습니다.",
                    "A CSV file with the columns `id` and `rollout` (0–100), in UTF-8 or CP949."),
    "import_done": ("{n}개 기능의 적용률을 바꾸었습니다.", "Rollout of {n} features changed."),
    "import_bad": ("파일을 읽지 못했습니다: {why}", "The file could not be read: {why}"),
    "no_columns": ("`id` 열과 `rollout` 열이 필요합니다.", "the columns `id` and `rollout` are needed."),
    "export": ("JSON 내려받기", "Download JSON"),
    "export_csv": ("CSV 내려받기", "Download CSV"),
    "files": ("파일", "Files"),
}
FEATURES = [
    # id, Korean name, English name, release, status, rollout in percent
    ("NR-101", "반송파 집성", "Carrier aggregation", "Rel-15", "live", 96),
    ("NR-104", "대규모 다중 안테나", "Massive MIMO", "Rel-15", "live", 91),
    ("NR-112", "동적 주파수 공유", "Dynamic spectrum sharing", "Rel-15", "live", 68),
    ("NR-203", "5G 음성 통화(VoNR)", "Voice over NR", "Rel-15", "live", 74),
    ("NR-207", "단말 절전(C-DRX)", "Device power saving (C-DRX)", "Rel-16", "live", 83),
    ("NR-215", "초저지연 스케줄링", "Low-latency scheduling", "Rel-16", "trial", 22),
    ("NR-301", "네트워크 슬라이싱", "Network slicing", "Rel-16", "trial", 35),
    ("NR-306", "경량 단말(RedCap)", "Reduced capability (RedCap)", "Rel-17", "trial", 12),
    ("NR-402", "셀 절전", "Cell sleep", "Rel-18", "planned", 0),
    ("NR-405", "AI 빔 관리", "AI beam management", "Rel-18", "planned", 0),
]
BANDS = {"3.5 GHz": (820, 34.0), "28 GHz": (1480, 90.0), "700 MHz": (165, 9.0)}


@st.cache_data
def quality(days: int, today: dt.date) -> pd.DataFrame:
    """Downlink speed per band and day, and the latency of the day."""
    rng = np.random.default_rng(5)
    dates = pd.date_range(end=today, periods=90, freq="D")
    weekend = np.where(dates.day_of_week >= 5, -0.05, 0.0)
    latency = 13.5 - np.linspace(0, 3.2, 90) + rng.normal(0, 0.35, 90)
    frames = [
        pd.DataFrame({
            "date": dates,
            "band": band,
            "mbps": (mean * (1 + np.linspace(0, 0.14, 90) + weekend) + rng.normal(0, noise, 90)).round(1),
            "latency": latency.round(2),
        })
        for band, (mean, noise) in BANDS.items()
    ]
    return pd.concat([frame.tail(days) for frame in frames], ignore_index=True)


def read_csv(data: bytes) -> pd.DataFrame:
    """A table from a CSV file in UTF-8 (with or without a mark) or in CP949, as Korean Excel writes it."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp949")
    table = pd.read_csv(io.StringIO(text), dtype={"id": "string"})
    if not {"id", "rollout"} <= set(table.columns):
        raise ValueError(t("no_columns"))
    table["rollout"] = pd.to_numeric(table["rollout"]).clip(0, 100)
    return table.dropna(subset=["id", "rollout"]).drop_duplicates("id", keep="last")


def language_from_browser() -> str:
    return KOREAN if (st.context.locale or "").lower().startswith("ko") else ENGLISH


def t(key: str, **values: object) -> str:
    return TEXTS[key][0 if st.session_state.language == KOREAN else 1].format(**values)


def keep_note(path: Path | None) -> None:
    if path:
        path.write_text(st.session_state.note, encoding="utf-8")


def sidebar() -> None:
    """Who uses this process, and the note in that person's own folder."""
    user = os.environ.get("USHER_USER")
    role = {"admin": t("admin"), "user": t("member")}.get(os.environ.get("USHER_ROLE", ""), t("nobody"))
    folder = os.environ.get("USHER_DATA")
    note = Path(folder) / "note.txt" if folder else None
    with st.sidebar:
        st.segmented_control(t("language"), [KOREAN, ENGLISH], key="language", required=True)
        st.subheader(t("seat"), divider="gray")
        st.metric(t("user"), user or "–")
        left, right = st.columns(2)
        left.caption(t("role"))
        left.markdown(f"**{role}**")
        right.caption(t("process"))
        right.markdown(f"**{os.getpid()}**")
        if user:
            st.caption(t("own"))
        if "note" not in st.session_state:
            st.session_state.note = note.read_text(encoding="utf-8") if note and note.exists() else ""
        st.text_area(t("note"), key="note", on_change=keep_note, args=(note,), height=110)
        st.caption(t("note_kept") if note else t("note_lost"))


def growth(now: float, share: float, days: int) -> pd.Series:
    """A made-up history that has grown to `now`; `share` of it was there ninety days ago."""
    return pd.Series(np.linspace(share * now, now, 90)[-days:].round())


def metrics(features: pd.DataFrame, days: pd.DataFrame) -> None:
    daily = days.groupby("date").agg(mbps=("mbps", "mean"), latency=("latency", "first"))
    count = len(daily)
    cards = [
        ("m_live", growth((features["state"] == "live").sum(), 0.4, count), "{:.0f}", "normal"),
        ("m_rollout", growth(features["rollout"].mean(), 0.6, count), "{:.0f} %", "normal"),
        ("m_speed", daily["mbps"], "{:,.0f}", "normal"),
        ("m_latency", daily["latency"], "{:.1f}", "inverse"),
    ]
    for column, (key, history, form, good) in zip(st.columns(4), cards):
        now, first = history.iloc[-1], history.iloc[0]
        column.metric(t(key), form.format(now), form.format(now - first), good, border=True,
                      chart_data=history, chart_type="area", delta_description=t("against"))


def speed_chart(days: pd.DataFrame) -> alt.Chart:
    hover = alt.selection_point(fields=["date"], nearest=True, on="pointerover", empty=False)
    line = alt.Chart(days).mark_line(interpolate="monotone", strokeWidth=2.5).encode(
        x=alt.X("date:T", title=None, axis=alt.Axis(format="%m/%d", grid=False, tickCount=6)),
        y=alt.Y("mbps:Q", title=t("mbps")),
        color=alt.Color("band:N", title=None, sort=list(BANDS), legend=alt.Legend(orient="top")),
        tooltip=[alt.Tooltip("date:T", title=t("date"), format="%Y-%m-%d"),
                 alt.Tooltip("band:N", title=t("band")),
                 alt.Tooltip("mbps:Q", title=t("mbps"), format=",.0f")],
    )
    dots = line.mark_circle(size=70).encode(opacity=alt.condition(hover, alt.value(1), alt.value(0)))
    return (line + dots.add_params(hover)).properties(height=330)


def rollout_chart(features: pd.DataFrame) -> alt.Chart:
    return alt.Chart(features).mark_bar(cornerRadiusEnd=4, height=16).encode(
        x=alt.X("rollout:Q", title=None, scale=alt.Scale(domain=[0, 100]),
                axis=alt.Axis(labelExpr="datum.value + ' %'", tickCount=5)),
        y=alt.Y("name:N", title=None, sort="-x", axis=alt.Axis(labelLimit=240)),
        color=alt.Color("state_name:N", title=None, legend=alt.Legend(orient="top"),
                        sort=[t("live"), t("trial"), t("planned")]),
        tooltip=[alt.Tooltip("name:N", title=t("feature")), alt.Tooltip("rollout:Q", title=t("rollout"))],
    ).properties(height=330)


def load_features() -> pd.DataFrame:
    columns = ["id", "ko", "en", "release", "state", "rollout"]
    features = pd.DataFrame(FEATURES, columns=columns)
    features["name"] = features["ko" if st.session_state.language == KOREAN else "en"]
    features["state_name"] = features["state"].map({s: t(s) for s in ("live", "trial", "planned")})
    changed = st.session_state.get("changed", {})
    features["rollout"] = features["id"].map(changed).fillna(features["rollout"])
    return features.drop(columns=["ko", "en"])


def upload(features: pd.DataFrame) -> None:
    """Takes rollout figures from a file; they stay for this browser session."""
    file = st.file_uploader(t("import"), type=["csv"], help=t("import_help"), key="file")
    if file is None or st.session_state.get("read") == file.file_id:
        return
    st.session_state.read = file.file_id
    try:
        table = read_csv(file.getvalue())
    except (ValueError, UnicodeDecodeError) as error:
        st.error(t("import_bad", why=error))
        return
    known = table[table["id"].isin(features["id"])]
    changed = dict(zip(known["id"], known["rollout"].astype(float)))
    st.session_state.changed = st.session_state.get("changed", {}) | changed
    st.toast(t("import_done", n=len(changed)), icon=":material/check_circle:")
    st.rerun()


def files(features: pd.DataFrame) -> None:
    with st.container(border=True):
        st.markdown(f"**{t('files')}**")
        upload(features)
        table = features[["id", "name", "release", "state", "rollout"]]
        text = json.dumps(table.to_dict("records"), ensure_ascii=False, indent=2)
        with st.container(horizontal=True):
            st.download_button(t("export"), text, "features.json", "application/json",
                               type="primary", icon=":material/download:", on_click="ignore")
            st.download_button(t("export_csv"), table.to_csv(index=False).encode("utf-8-sig"),
                               "features.csv", "text/csv", icon=":material/table:", on_click="ignore")


def main() -> None:
    st.set_page_config(page_title="5G Feature Manager", page_icon=":material/cell_tower:", layout="wide")
    st.session_state.setdefault("language", language_from_browser())
    sidebar()
    st.title("5G Feature Manager", anchor=False)
    st.markdown(f"{t('subtitle')} :gray-badge[{t('made_up')}]")

    states = ("live", "trial", "planned")
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    count = left.slider(t("period"), 7, 90, 30, key="days")
    chosen = right.pills(t("states"), states, selection_mode="multi", default=states, format_func=t)
    days = quality(count, dt.date.today())
    features = load_features()
    shown = features[features["state"].isin(chosen)]

    metrics(features, days)
    left, right = st.columns(2)
    with left.container(border=True):
        st.markdown(f"**{t('speed')}**")
        st.altair_chart(speed_chart(days), width="stretch")
    with right.container(border=True):
        st.markdown(f"**{t('rollout')}**")
        if shown.empty:
            st.info(t("none"))
        else:
            st.altair_chart(rollout_chart(shown), width="stretch")
    left, right = st.columns([2, 1])
    with left.container(border=True):
        st.markdown(f"**{t('features')}**")
        st.dataframe(
            shown, hide_index=True, height=388, column_order=["id", "name", "release", "state_name", "rollout"],
            column_config={
                "id": "ID",
                "name": st.column_config.TextColumn(t("feature"), width="medium"),
                "release": t("release"),
                "state_name": t("states"),
                "rollout": st.column_config.ProgressColumn(t("rollout"), min_value=0, max_value=100, format="%d %%"),
            },
        )
    with right:
        files(features)


main()
