def execute(ctx):
    ctx.execute("insert into users select g, 'N' || g from generate_series(1, 5) g")
