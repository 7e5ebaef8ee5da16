"""A script that starts a Tornado server of its own."""

import asyncio

import streamlit as st
import tornado.httpserver
import tornado.web

asyncio.set_event_loop(asyncio.new_event_loop())
server = tornado.httpserver.HTTPServer(tornado.web.Application())
server.listen(0, "127.0.0.1")
st.write(next(iter(server._sockets.values())).getsockname()[0])
server.stop()
