//! Peers that are not ours, over real sockets.

mod judged;
