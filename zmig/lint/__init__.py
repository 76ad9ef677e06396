"""What `zmig lint` knows: rules, their checks, and the formats that findings are printed in.

`zmig.lint.run.lint` opens files and asks squawk and git; everything else is pure.
"""
