-- Who asked for the end of the present or last run: `user:NAME`, `docker`, `server` or
-- `unknown`; NULL where the run ended by itself. A run that somebody stopped has not failed,
-- whatever its exit code is.
ALTER TABLE containers ADD COLUMN stopped_by TEXT;
ALTER TABLE runs ADD COLUMN stopped_by TEXT;
UPDATE containers SET stopped_by = 'unknown' WHERE stopped_by_hand = 1 AND state = 'exited';
