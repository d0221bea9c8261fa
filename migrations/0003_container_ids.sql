-- The ids of the host that a container's own user namespace has. They are kept from its
-- creation on, and given back with its row.

ALTER TABLE containers ADD COLUMN first_user INTEGER;
ALTER TABLE containers ADD COLUMN first_group INTEGER;
ALTER TABLE containers ADD COLUMN id_count INTEGER;
ALTER TABLE containers ADD COLUMN ids_shared INTEGER;
