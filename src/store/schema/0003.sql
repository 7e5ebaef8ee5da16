-- What an event says, as clauses that a page says in its language: JSON, as src/store/clauses.rs
-- writes it. NULL: only the English text is known, as in every row from before.
ALTER TABLE events ADD COLUMN clauses TEXT;
