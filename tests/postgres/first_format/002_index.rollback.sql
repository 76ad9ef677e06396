drop index users_name;
