drop policy order_notes_author on order_notes;
alter table order_notes disable row level security;
