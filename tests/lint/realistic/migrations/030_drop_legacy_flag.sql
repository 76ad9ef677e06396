-- description: Nothing has read is_legacy since version 4 of the service
-- zmig: ignore squawk/ban-drop-column no release reads it any more
alter table customers drop column if exists is_legacy;
