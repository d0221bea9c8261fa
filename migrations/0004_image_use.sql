-- When a container last used an image: what was not used for long may be cleaned up.
ALTER TABLE images ADD COLUMN used_ns INTEGER;
