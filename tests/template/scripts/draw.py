"""Everything that must be another in each process."""

import json
import multiprocessing
import os
import random
import secrets
import ssl
import tempfile
import uuid

import numpy
import streamlit as st

drawn = {
    "random": random.random(),
    "numpy": numpy.random.random(),
    "numpy_generator": numpy.random.default_rng().random(),
    "uuid4": str(uuid.uuid4()),
    "secrets": secrets.token_hex(),
    "openssl": ssl.RAND_bytes(16).hex(),
    "urandom": os.urandom(16).hex(),
    "temporary": os.path.basename(tempfile.mktemp()),
    "workers_key": bytes(multiprocessing.current_process().authkey).hex(),
    "cookie_secret": st.get_option("server.cookieSecret"),
}
st.markdown(json.dumps(drawn))
