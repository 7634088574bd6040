"""What did happen: the record, what a terminal shows of it, and the model card."""
