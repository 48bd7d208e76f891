"""Moving values between layouts, and operators that are told in which layout to work."""
