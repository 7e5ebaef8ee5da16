"""A script with modules of its own, installed ones, and strange things among the loaded ones."""

import os
import sys
import types
import wave

import dateutil.easter  # noqa: F401
import mine  # noqa: F401
import package_of_mine.part  # noqa: F401
import streamlit as st


class Lazy(types.ModuleType):
    def __getattribute__(self, name):
        print("a lazy module was touched:", name)
        return super().__getattribute__(name)


sys.modules["lazy"] = Lazy("lazy")
sys.modules["alias_of_wave"] = wave
if os.path.exists("again"):
    import plistlib  # noqa: F401
st.write("x")
