"""What there is to do: facts folded into states, states into a plan. No I/O."""
