"""Results as Python shows them: in a console, in a notebook, as a figure, a file, a data frame."""
