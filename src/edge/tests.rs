//! The edge between real sockets: clients on one side, small seats on the other, and a gate that
//! does as the test says.

mod doors;
mod fake;
mod http;
mod pages;
mod websocket;
