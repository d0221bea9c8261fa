-- An image that was removed while stopped containers are made from it: it is not listed
-- and not found any more, and its row keeps its layers until the last of them is removed.
ALTER TABLE images ADD COLUMN removed_ns INTEGER;
