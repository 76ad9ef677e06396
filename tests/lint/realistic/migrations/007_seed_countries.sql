-- description: The countries that we deliver to
insert into countries (code, name) values
    ('at', 'Austria'),
    ('ch', 'Switzerland'),
    ('it', 'Italia')
on conflict (code) do update set name = excluded.name;
