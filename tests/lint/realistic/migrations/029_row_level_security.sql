-- description: Staff sees the notes of its own orders only
alter table order_notes enable row level security;
create policy order_notes_author on order_notes using (author = current_user);
