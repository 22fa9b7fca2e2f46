-- Keys say where their requests may be computed, and of which class their
-- targets must be; empty for no demand. A key demands nothing unless it was made to.

-- +goose Up
ALTER TABLE api_keys ADD COLUMN residency TEXT NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN compliance TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE api_keys DROP COLUMN compliance;
ALTER TABLE api_keys DROP COLUMN residency;
