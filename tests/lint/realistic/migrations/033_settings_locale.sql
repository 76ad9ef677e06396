-- description: The locale in its long form
update settings set value = '"de_DE"' where key = 'locale';
