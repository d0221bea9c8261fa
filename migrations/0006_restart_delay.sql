-- A container that fails again and again is begun again after waits that double. A
-- server that returns goes on with the wait instead of beginning anew.
ALTER TABLE containers ADD COLUMN restart_delay_ms INTEGER;
