"""One agent per file: plain functions on typed state, and the models that think for them."""
