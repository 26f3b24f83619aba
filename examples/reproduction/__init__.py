"""What examples/reproduce.py is made of: experiments, the jobs that run them, claims and verdicts, the report."""
