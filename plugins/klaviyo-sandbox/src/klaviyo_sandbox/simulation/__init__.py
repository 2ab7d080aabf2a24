"""What people and machines do with a campaign that is sent."""
