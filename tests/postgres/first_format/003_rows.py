from zmig import Context


def execute(ctx: Context) -> None:
    ctx.execute("insert into users select g, 'N' || g from generate_series(1, 5) g")
