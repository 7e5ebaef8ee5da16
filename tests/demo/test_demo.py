"""The demo app runs without an exception, in both languages, and does what its controls say."""

import logging
import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from streamlit.testing.v1 import AppTest

logging.disable(logging.WARNING)  # Streamlit warns of running without a browser, which is meant

APP = Path(__file__).resolve().parents[2] / "demo" / "app.py"


def run_app() -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=60).run()
    assert not app.exception, app.exception
    return app


class Demo(unittest.TestCase):
    def setUp(self) -> None:
        self.data = tempfile.TemporaryDirectory()
        self.addCleanup(self.data.cleanup)
        seat = {"USHER_USER": "jiyoung", "USHER_ROLE": "user", "USHER_DATA": self.data.name}
        patch = mock.patch.dict(os.environ, seat)
        patch.start()
        self.addCleanup(patch.stop)

    def test_shows_whose_seat_it_is(self) -> None:
        app = run_app()
        self.assertEqual(app.sidebar.metric[0].value, "jiyoung")
        self.assertIn(f"**{os.getpid()}**", [text.value for text in app.sidebar.markdown])

    def test_speaks_both_languages(self) -> None:
        app = run_app()
        seen = {}
        for language in ("한국어", "English"):
            app.session_state.language = language
            app.run()
            self.assertFalse(app.exception)
            seen[language] = [metric.label for metric in app.main.metric]
        self.assertIn("지연 시간(ms)", seen["한국어"])
        self.assertIn("Latency (ms)", seen["English"])

    def test_period_changes_the_comparison(self) -> None:
        app = run_app()
        before = [metric.delta for metric in app.main.metric]
        app.slider(key="days").set_value(90).run()
        self.assertFalse(app.exception)
        self.assertNotEqual(before, [metric.delta for metric in app.main.metric])

    def test_uploaded_figures_replace_the_sample(self) -> None:
        app = run_app()
        self.assertEqual(self.rollout_of(app, "NR-402"), 0)
        table = "id,rollout,비고\nNR-402,55,시험 시작\nNR-999,10,없는 기능\n"
        for encoding, value in (("utf-8-sig", 55), ("cp949", 56)):
            data = table.replace("55", str(value)).encode(encoding)
            app.file_uploader(key="file").set_value((f"{encoding}.csv", data, "text/csv")).run()
            self.assertFalse(app.exception)
            self.assertEqual(self.rollout_of(app, "NR-402"), value)

    def test_a_bad_file_is_named_and_changes_nothing(self) -> None:
        app = run_app()
        for data in (b"a,b\n1,2\n", b"", b"\xff\xfe\x81", b"id,rollout\nNR-402,many\n"):
            app.file_uploader(key="file").set_value(("bad.csv", data, "text/csv")).run()
            self.assertFalse(app.exception)
            self.assertEqual(len(app.error), 1, data)
            self.assertEqual(self.rollout_of(app, "NR-402"), 0)

    def test_the_note_outlives_the_process(self) -> None:
        run_app().text_area(key="note").set_value("다음 주 점검").run()
        self.assertEqual(run_app().text_area(key="note").value, "다음 주 점검")

    def rollout_of(self, app: AppTest, feature: str) -> float:
        table = app.dataframe[0].value
        return table.loc[table["id"] == feature, "rollout"].item()


if __name__ == "__main__":
    unittest.main()
