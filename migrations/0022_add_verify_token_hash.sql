-- What a channel's operator shows when it confirms our address, as a keyed hash: who asks is answered
-- without a secret being opened. NULL: not hashed yet; empty: the channel has none.
ALTER TABLE channels ADD COLUMN verify_token_hash bytea;
CREATE INDEX channels_verify_token_hash_idx ON channels (kind, verify_token_hash);
