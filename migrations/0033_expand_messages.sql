-- More reasons why the machine does not answer what a contact wrote. What is there has one of the
-- earlier ones, so no row has to be looked at.
ALTER TABLE messages
    DROP CONSTRAINT messages_unanswered_reason_check,
    ADD CONSTRAINT messages_unanswered_reason_check CHECK (unanswered_reason IN
        ('opted_out', 'opt_word', 'asked_for_person', 'with_person', 'blocked', 'late',
         'switched_off', 'unsupported', 'group', 'standby', 'ended', 'no_answer')) NOT VALID;
