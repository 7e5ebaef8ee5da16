"""A module that takes away by what Streamlit is handed its socket, as another version might."""

import sys

NAMES = (
    ("streamlit.web.server.starlette.starlette_server", "_bind_socket"),
    ("streamlit.web.server.server", "HTTPServer"),
)

for module, name in NAMES:
    if hasattr(sys.modules.get(module), name):
        delattr(sys.modules[module], name)
