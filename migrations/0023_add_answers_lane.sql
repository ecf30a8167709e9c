-- Answers have a lane of their own: a model that takes its time keeps no message from being taken in,
-- handed to a person or sent.
ALTER TABLE jobs
    DROP CONSTRAINT jobs_lane_check,
    ADD CONSTRAINT jobs_lane_check CHECK (lane IN (0, 1, 2)) NOT VALID;

ALTER TABLE worker_sessions
    ADD COLUMN answers_slots integer NOT NULL DEFAULT 0,
    ADD COLUMN answers_busy integer NOT NULL DEFAULT 0;
