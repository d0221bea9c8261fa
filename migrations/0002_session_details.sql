-- Where a session came from, so that its owner can tell it from others before ending it.

ALTER TABLE sessions ADD COLUMN address TEXT;
ALTER TABLE sessions ADD COLUMN user_agent TEXT;
