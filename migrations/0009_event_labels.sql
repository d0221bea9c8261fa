-- The labels that the container, image or volume had at that moment: clients filter
-- events by them, and the object may be gone when they ask. A list of pairs in JSON, as
-- the attributes.
ALTER TABLE events ADD COLUMN labels TEXT NOT NULL DEFAULT '[]';
