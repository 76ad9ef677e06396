drop view active;
