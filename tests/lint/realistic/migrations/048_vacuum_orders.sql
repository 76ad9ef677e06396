-- description: After the backfill
vacuum (analyze) orders;
