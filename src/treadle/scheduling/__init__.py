"""Jobs in time: started when they may, ended when they must."""
