//! Functions of the user's over blocks and their neighbours.
