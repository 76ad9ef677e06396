alter table users drop column note;
