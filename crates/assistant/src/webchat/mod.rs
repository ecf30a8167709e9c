//! Anonymous web chats.
